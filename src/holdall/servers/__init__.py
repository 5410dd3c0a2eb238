"""What servers of this package share, whatever they serve: the limits of a connection, and threads that answer."""
