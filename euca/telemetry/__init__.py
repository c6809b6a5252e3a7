"""What the components tell about themselves: logs, correlation ids, health."""
