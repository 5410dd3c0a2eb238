"""How long runs are kept: policies are judged, deleted runs restored or purged, content that must go made to go."""
