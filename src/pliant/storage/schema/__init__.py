"""What documents on disk hold, one kind a file: a type with the meaning of every field, and what a type cannot say."""
