"""Makes the world agree with a wish: discover, plan, change, and again."""
