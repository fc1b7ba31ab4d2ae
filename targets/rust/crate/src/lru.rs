//! What was made of sources for the engine configurations, as much of it as there is room for: what was used longest
//! ago goes first. The native executor of the C API shares it.

use std::collections::{BTreeMap, HashMap};

/// By engine configuration and source, each of which is looked up without a copy of it.
pub struct Lru<T> {
    most: usize,
    kept: BTreeMap<usize, HashMap<Vec<u8>, Kept<T>>>,
    /// The uses so far.
    clock: u64,
}

struct Kept<T> {
    made: T,
    used: u64,
}

impl<T> Lru<T> {
    /// With room for so many.
    pub fn new(most: usize) -> Lru<T> {
        Lru { most, kept: BTreeMap::new(), clock: 0 }
    }

    /// What is kept for that source, which is a use of it.
    pub fn get(&mut self, number: usize, source: &[u8]) -> Option<&T> {
        self.clock += 1;
        let found = self.kept.get_mut(&number)?.get_mut(source)?;
        found.used = self.clock;
        Some(&found.made)
    }

    /// Keeps what was made of a source that nothing was kept for; gives what made room for it.
    pub fn insert(&mut self, number: usize, source: &[u8], made: T) -> Option<T> {
        let gone = if self.len() >= self.most { self.remove_oldest() } else { None };
        self.clock += 1;
        self.kept.entry(number).or_default().insert(source.to_vec(), Kept { made, used: self.clock });
        gone
    }

    /// What was made for an engine configuration, with its source, is no longer kept; what was used last comes last.
    pub fn take(&mut self, number: usize) -> Vec<(Vec<u8>, T)> {
        let mut taken: Vec<_> = self.kept.remove(&number).unwrap_or_default().into_iter().collect();
        taken.sort_unstable_by_key(|(_, kept)| kept.used);
        taken.into_iter().map(|(source, kept)| (source, kept.made)).collect()
    }

    /// The engine configurations that something is kept for, if some of it will soon have to make room.
    pub fn crowded(&self) -> Vec<usize> {
        if self.len() <= self.most / 2 {
            return Vec::new();
        }
        self.kept.keys().copied().collect()
    }

    fn len(&self) -> usize {
        self.kept.values().map(HashMap::len).sum()
    }

    fn remove_oldest(&mut self) -> Option<T> {
        let all =
            self.kept.iter().flat_map(|(&number, of)| of.iter().map(move |(source, kept)| (kept.used, number, source)));
        let (_, number, source) = all.min()?;
        let source = source.clone();
        let of = self.kept.get_mut(&number)?;
        let gone = of.remove(&source);
        if of.is_empty() {
            self.kept.remove(&number);
        }
        gone.map(|kept| kept.made)
    }
}
