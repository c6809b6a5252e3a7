"""Networks of instances: the modes of Eucalyptus 2.0, and who is seen on them."""
