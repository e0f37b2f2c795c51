"""Neon's regions: https://neon.com/docs/introduction/regions."""

from __future__ import annotations

DEFAULT_REGION = "aws-us-east-1"

REGIONS: dict[str, tuple[str, str, str]] = {
    "aws-us-east-1": ("AWS US East 1 (N. Virginia)", "39.0438", "-77.4874"),
    "aws-us-east-2": ("AWS US East 2 (Ohio)", "40.0992", "-83.1141"),
    "aws-us-west-2": ("AWS US West 2 (Oregon)", "45.8491", "-119.7143"),
    "aws-eu-central-1": ("AWS Europe Central 1 (Frankfurt)", "50.1109", "8.6821"),
    "aws-eu-west-2": ("AWS Europe West 2 (London)", "51.5074", "-0.1278"),
    "aws-ap-southeast-1": ("AWS Asia Pacific 1 (Singapore)", "1.3521", "103.8198"),
    "aws-ap-southeast-2": ("AWS Asia Pacific 2 (Sydney)", "-33.8688", "151.2093"),
    "aws-sa-east-1": ("AWS South America East 1 (Sao Paulo)", "-23.5505", "-46.6333"),
}
"""Id to name, latitude and longitude. Azure's regions are closed for new projects since April 2026."""
