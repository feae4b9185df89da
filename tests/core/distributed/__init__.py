"""Tests of one training shared among several processes."""
