"""What tests of this project, and of projects beside it, may use."""
