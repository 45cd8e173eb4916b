//! What a cluster is and what to do next: pure, no clock, no IO.
