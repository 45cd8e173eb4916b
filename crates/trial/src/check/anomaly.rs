//! What a history of transactions can show that one server never shows. The names in brackets
//! are those of Adya and of Jepsen's checkers.

use std::fmt;

/// One kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// An element is in the lists more than once.
    Duplicate,
    /// A read saw what was never sent to that list.
    PhantomRead,
    /// A read saw what its client was told is not done (G1a).
    AbortedRead,
    /// A read saw a transaction's append and not its next one to the same list (G1b).
    IntermediateRead,
    /// A read saw what is not there in the end.
    VanishedRead,
    /// A read shows another order than the list has, or a hole.
    IncompatibleRead,
    /// A transaction did not see what it had just appended itself.
    OwnWriteMissed,
    /// Some of a transaction's appends are there and others are not.
    Torn,
    /// A transaction's appends are there in another order than they were sent.
    Reordered,
    /// A read did not see what was acknowledged before it began.
    StaleRead,
    /// Of two appends the one acknowledged before the other was sent comes later.
    Reversed,
    /// Transactions that each must come before the next, and the last before the first.
    Cycle(Cycle),
}

/// What a cycle is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cycle {
    /// By its dependencies.
    pub class: CycleClass,
    /// Some of its steps are only that one ended before the next began.
    pub in_real_time: bool,
    /// Two transactions form it in a way that has a name.
    pub shape: Option<Shape>,
}

/// The class of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleClass {
    /// Writes only (G0).
    DirtyWrite,
    /// Writes, and reads of what was written (G1c).
    CircularFlow,
    /// One read of what was then overwritten (G-single).
    ReadSkew,
    /// Several of them (G2).
    AntiDependencies,
}

/// A cycle of two with a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One read some of the other's effects and not all.
    FracturedRead,
    /// One wrote over the other without having read it.
    LostUpdate,
    /// Each read what the other then changed.
    WriteSkew,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "duplicate",
            Self::PhantomRead => "phantom read",
            Self::AbortedRead => "aborted read (G1a)",
            Self::IntermediateRead => "intermediate read (G1b)",
            Self::VanishedRead => "vanished read",
            Self::IncompatibleRead => "incompatible order",
            Self::OwnWriteMissed => "own write missed",
            Self::Torn => "torn transaction",
            Self::Reordered => "reordered",
            Self::StaleRead => "stale read",
            Self::Reversed => "reversed",
            Self::Cycle(cycle) => return cycle.fmt(f),
        })
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            CycleClass::DirtyWrite => "cycle of writes (G0",
            CycleClass::CircularFlow => "cycle of writes and reads (G1c",
            CycleClass::ReadSkew => "cycle (G-single",
            CycleClass::AntiDependencies => "cycle (G2",
        })?;
        f.write_str(match self.shape {
            None => "",
            Some(Shape::FracturedRead) => ", fractured read",
            Some(Shape::LostUpdate) => ", lost update",
            Some(Shape::WriteSkew) => ", write skew",
        })?;
        f.write_str(if self.in_real_time {
            ", in real time)"
        } else {
            ")"
        })
    }
}
