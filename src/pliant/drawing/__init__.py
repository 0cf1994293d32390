"""What agents do, drawn: pictures of an episode, films, paths."""
