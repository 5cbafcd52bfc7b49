"""Sign-in through identity providers: from the first redirect to the session."""
