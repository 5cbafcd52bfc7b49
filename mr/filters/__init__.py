"""Feature filters: labels that decide which features an account sees."""
