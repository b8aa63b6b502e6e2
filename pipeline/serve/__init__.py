"""The view: profiles and triggers in Redis, kept as the changelog and the trigger topics say."""
