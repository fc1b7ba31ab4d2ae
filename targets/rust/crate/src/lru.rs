//! What was made of sources for the engine configurations, as much of it as there is room for: what was used longest
//! ago goes first.

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

    /// Keeps what was made of a source that nothing was kept for.
    pub fn insert(&mut self, number: usize, source: &[u8], made: T) {
        if self.len() >= self.most {
            self.drop_oldest();
        }
        self.clock += 1;
        self.kept.entry(number).or_default().insert(source.to_vec(), Kept { made, used: self.clock });
    }

    /// Lets go of what was made for an engine configuration.
    pub fn forget(&mut self, number: usize) {
        self.kept.remove(&number);
    }

    pub fn len(&self) -> usize {
        self.kept.values().map(HashMap::len).sum()
    }

    /// The engine configurations that something is kept for.
    pub fn numbers(&self) -> Vec<usize> {
        self.kept.keys().copied().collect()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.kept.values().flat_map(HashMap::values).map(|kept| kept.used).min();
        self.kept.retain(|_, of| {
            of.retain(|_, kept| Some(kept.used) != oldest);
            !of.is_empty()
        });
    }
}
