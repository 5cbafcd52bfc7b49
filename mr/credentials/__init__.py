"""How people come to sign in: registration by invitation, and their passwords."""
