"""Families of scenarios: functions, inputs and analytic derivatives."""
