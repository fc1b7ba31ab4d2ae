//! The part of MessagePack that the wire uses, read from and written to byte buffers.
//!
//! Written here rather than taken from a crate: programs and observations are decoded and encoded a million times a
//! second, and the messages need only integers, strings, nil, booleans, arrays and maps.

/// What was read is not the MessagePack that was expected; the text says what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

type Read<T> = Result<T, Malformed>;

/// Deepest nesting that `skip` follows; messages nest four deep.
const MAX_DEPTH: u32 = 32;

/// Reads values one after the other.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        if count > self.rest.len() {
            return Err(Malformed("a message ends within a value"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed("a message ends before a value"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// A big-endian unsigned number of so many bytes, at most eight.
    fn unsigned(&mut self, bytes: usize) -> Read<u64> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn length(&mut self, bytes: usize) -> Read<usize> {
        Ok(self.unsigned(bytes)? as usize)
    }

    /// A whole number.
    pub fn int(&mut self) -> Read<i64> {
        let head = self.byte()?;
        match head {
            0x00..=0x7f => Ok(i64::from(head)),
            0xe0..=0xff => Ok(i64::from(head as i8)),
            0xcc..=0xcf => i64::try_from(self.unsigned(1 << (head - 0xcc))?)
                .map_err(|_| Malformed("a number does not fit 64 bits with a sign")),
            0xd0..=0xd3 => {
                let bytes = 1 << (head - 0xd0);
                let shift = 64 - 8 * bytes as u32; // sign extension
                Ok((self.unsigned(bytes)? << shift) as i64 >> shift)
            }
            _ => Err(Malformed("a number was expected")),
        }
    }

    /// The length of an array, whose elements follow.
    pub fn array(&mut self) -> Read<usize> {
        let head = self.byte()?;
        match head {
            0x90..=0x9f => Ok(usize::from(head & 0x0f)),
            0xdc => self.length(2),
            0xdd => self.length(4),
            _ => Err(Malformed("an array was expected")),
        }
    }

    /// The number of pairs of a map, whose keys and values follow in turn.
    pub fn map(&mut self) -> Read<usize> {
        let head = self.byte()?;
        match head {
            0x80..=0x8f => Ok(usize::from(head & 0x0f)),
            0xde => self.length(2),
            0xdf => self.length(4),
            _ => Err(Malformed("a map was expected")),
        }
    }

    /// A string.
    pub fn text(&mut self) -> Read<&'a str> {
        let head = self.byte()?;
        let length = match head {
            0xa0..=0xbf => usize::from(head & 0x1f),
            0xd9 => self.length(1)?,
            0xda => self.length(2)?,
            0xdb => self.length(4)?,
            _ => return Err(Malformed("a string was expected")),
        };
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a string is not UTF-8"))
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let head = self.byte()?;
        let length = match head {
            0xc4 => self.length(1)?,
            0xc5 => self.length(2)?,
            0xc6 => self.length(4)?,
            _ => return Err(Malformed("bytes were expected")),
        };
        self.take(length)
    }

    /// A string, or nothing for nil.
    pub fn text_or_nil(&mut self) -> Read<Option<&'a str>> {
        if self.rest.first() == Some(&0xc0) {
            self.rest = &self.rest[1..];
            return Ok(None);
        }
        self.text().map(Some)
    }

    /// Any value, which is of no interest.
    pub fn skip(&mut self) -> Read<()> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, depth: u32) -> Read<()> {
        let inner = depth.checked_sub(1).ok_or(Malformed("a value nests too deep"))?;
        let head = *self.rest.first().ok_or(Malformed("a message ends before a value"))?;
        let values = match head {
            0x80..=0x8f | 0xde | 0xdf => self.map()?.saturating_mul(2),
            0x90..=0x9f | 0xdc | 0xdd => self.array()?,
            0xa0..=0xbf | 0xd9..=0xdb => return self.text().map(drop),
            0xc0 | 0xc2 | 0xc3 => return self.byte().map(drop),
            0xc4..=0xc6 => return self.bytes().map(drop),
            0xca => return self.take(5).map(drop),
            0xcb => return self.take(9).map(drop),
            _ => return self.int().map(drop),
        };
        (0..values).try_for_each(|_| self.skip_nested(inner))
    }
}

/// Appends values to a buffer.
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    pub fn nil(&mut self) {
        self.0.push(0xc0);
    }

    pub fn bool(&mut self, value: bool) {
        self.0.push(0xc2 + u8::from(value));
    }

    /// A whole number, in its shortest form.
    pub fn int(&mut self, value: i64) {
        match value {
            0..=0x7f => self.0.push(value as u8),
            0x80..=0xff => self.headed(0xcc, &[value as u8]),
            0x100..=0xffff => self.headed(0xcd, &(value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.headed(0xce, &(value as u32).to_be_bytes()),
            0x1_0000_0000.. => self.headed(0xcf, &value.to_be_bytes()),
            -0x20..=-1 => self.0.push(value as u8),
            _ => self.headed(0xd3, &value.to_be_bytes()),
        }
    }

    fn headed(&mut self, head: u8, bytes: &[u8]) {
        self.0.push(head);
        self.0.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        match text.len() {
            length @ 0..=31 => self.0.push(0xa0 | length as u8),
            length @ 32..=0xff => self.headed(0xd9, &[length as u8]),
            length @ 0x100..=0xffff => self.headed(0xda, &(length as u16).to_be_bytes()),
            length => self.headed(0xdb, &(length as u32).to_be_bytes()),
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    /// The head of an array; its elements are to follow.
    pub fn array(&mut self, length: usize) {
        match length {
            0..=15 => self.0.push(0x90 | length as u8),
            16..=0xffff => self.headed(0xdc, &(length as u16).to_be_bytes()),
            _ => self.headed(0xdd, &(length as u32).to_be_bytes()),
        }
    }

    /// The head of an array whose length is set later, by `set_array`; gives its place.
    pub fn open_array(&mut self) -> usize {
        self.headed(0xdd, &[0; 4]);
        self.0.len() - 4
    }

    /// Sets the length of an array begun by `open_array`.
    pub fn set_array(&mut self, place: usize, length: u32) {
        self.0[place..place + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// The head of a map; so many keys and values are to follow in turn.
    pub fn map(&mut self, pairs: u8) {
        debug_assert!(pairs < 16, "maps of the wire are short");
        self.0.push(0x80 | pairs);
    }
}
