"""What servers of this package share, whatever they serve.

listening    the socket that they listen on
connection   the limits of a connection
threads      threads that answer
"""
