//! Endpoints and their statistics to a choice.
