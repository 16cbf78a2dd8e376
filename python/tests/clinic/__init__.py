"""A small application of Django for the tests of pazpaz_keys.django."""
