"""Whether a proxy stands between the function and its endpoint."""

from __future__ import annotations

import pytest

from lambda_otel.proxy import is_proxied


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"HTTP_PROXY": "http://proxy"}, "http://collector.example.com/v1/traces"),
        ({"http_proxy": "http://proxy"}, "http://collector.example.com/v1/traces"),
        ({"HTTPS_PROXY": "http://proxy"}, "https://collector.example.com/v1/traces"),
        ({"https_proxy": "http://proxy"}, "https://collector.example.com:4318"),
        ({"ALL_PROXY": "socks5://proxy"}, "https://collector.example.com"),
        ({"all_proxy": "socks5://proxy"}, "http://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other.example.com"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "example.org,ample.com,,"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "sub.collector.example.com"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "169.254.169.254"}, "https://10.0.0.1"),
    ],
)
def test_endpoint_is_proxied(variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_proxied(url)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "https://collector.example.com"),
        ({"HTTPS_PROXY": ""}, "https://collector.example.com"),
        ({"HTTP_PROXY": "http://proxy"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy"}, "http://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "no_proxy": "collector.example.com"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other, Example.COM"}, "https://Collector.example.com:4318"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": ".example.com"}, "https://collector.example.com"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "10.0.0.1"}, "https://10.0.0.1:4318"),
        ({"ALL_PROXY": "http://proxy"}, "http://localhost:4318"),
        ({"ALL_PROXY": "http://proxy"}, "http://127.0.0.1:4318"),
        ({"ALL_PROXY": "http://proxy"}, "http://127.1.2.3"),
        ({"ALL_PROXY": "http://proxy"}, "http://[::1]:4318"),
    ],
)
def test_endpoint_is_reached_directly(variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not is_proxied(url)


def test_lower_case_goes_before_upper_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("NO_PROXY", "collector.example.com")
    monkeypatch.setenv("no_proxy", "other.example.com")
    assert is_proxied("https://collector.example.com")
