"""Agents from Python: train, adapt to a new task, act, save, load."""

from pliant.agent.adapted import Adapted as Adapted
from pliant.agent.agent import Agent as Agent
from pliant.agent.agent import load as load
from pliant.agent.agent import load_adapted as load_adapted
from pliant.agent.agent import load_agent as load_agent
