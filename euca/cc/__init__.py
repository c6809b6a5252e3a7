"""The cluster controller: spreads instances over nodes, and tells the cloud how they are."""
