"""What the controls are built from; none of it is attached."""
