"""Engines that families are made of; no simulator knows another."""
