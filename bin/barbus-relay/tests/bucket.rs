//! End-to-end tests of the bucket.

mod support;
