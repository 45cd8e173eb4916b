//! Places with numbers: a number stays with its value, and is given to another one after it.

/// Values by number.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// The number that the next value gets.
    pub(super) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    pub(super) fn insert(&mut self, value: T) -> usize {
        if let Some(number) = self.free.pop() {
            self.places[number] = Some(value);
            return number;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    pub(super) fn remove(&mut self, number: usize) -> Option<T> {
        let value = self.places.get_mut(number)?.take();
        if value.is_some() {
            self.free.push(number);
        }
        value
    }

    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.places.get(number)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.places.get_mut(number)?.as_mut()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let taken = self.places.iter().enumerate();
        taken.filter_map(|(number, place)| place.as_ref().map(|_| number))
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.free.clear();
        std::mem::take(&mut self.places)
            .into_iter()
            .flatten()
            .collect()
    }
}
