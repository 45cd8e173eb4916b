//! Stories on real servers: this crate is its tests (`tests/stories`), one file per story.
//! What they are told with (clusters, faults, loads, verdicts) is in crate `trial`.
