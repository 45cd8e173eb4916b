//! The loop: observe, decide, act; publishes the view.
