"""Real Envoy with the configuration in deploy/gateways, in front of a portal that answers at once."""

from pathlib import Path
from string import Template
from typing import Any

import yaml

from bench.servers import ROOT, Starting, free_addresses

CONFIGURATION = ROOT / "deploy/gateways/envoy/envoy.yaml"
EXT_AUTHZ = "envoy.filters.http.ext_authz"
# The answer of a page that costs nothing: what is measured is the way to it.
_PORTAL = """
daemon off;
master_process off;
error_log stderr warn;
pid $folder/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    keepalive_requests 1000000000;
    server { listen $address; location / { return 200 "a page\n"; } }
}
"""


def portal(work: Path) -> Starting:
    """A page behind Envoy: nginx, which gives every request the same one."""
    (address,) = free_addresses(1)
    folder = work / "portal-nginx"
    folder.mkdir(exist_ok=True)
    file = folder / "nginx.conf"
    text = _PORTAL.replace("$folder", str(folder)).replace("$address", address)
    file.write_text(text, encoding="utf-8")
    return Starting(["nginx", "-c", str(file), "-p", str(folder), "-e", "stderr"], address)


def envoy(work: Path, *, portal: str, sidecar: str, asks: bool) -> Starting:
    """Envoy between clients and the portal. `asks`: whether it has its ext_authz filter."""
    (address,) = free_addresses(1)
    names = {"GATEWAY": address, "PORTAL": portal, "SIDECAR": sidecar}
    values = {f"{name}_HOST": where.rpartition(":")[0] for name, where in names.items()}
    values |= {f"{name}_PORT": where.rpartition(":")[2] for name, where in names.items()}
    # The portal speaks no gRPC here; nothing is sent to that address.
    values |= {"SIDECAR_GRPC_PORT": values["SIDECAR_PORT"], "PORTAL_GRPC_PORT": values["PORTAL_PORT"]}
    declared = yaml.safe_load(Template(CONFIGURATION.read_text(encoding="utf-8")).substitute(values))
    if not asks:
        _without_ext_authz(declared)
    file = work / f"envoy-{'asks' if asks else 'plain'}.yaml"
    file.write_text(yaml.safe_dump(declared), encoding="utf-8")
    options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    return Starting(["envoy", "--config-path", str(file), *options], address)


def _without_ext_authz(declared: dict[str, Any]) -> None:
    (listener,) = declared["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    kept = [each for each in manager["http_filters"] if each["name"] != EXT_AUTHZ]
    if len(kept) != len(manager["http_filters"]) - 1:
        raise LookupError(f"{CONFIGURATION} has no filter {EXT_AUTHZ}")
    manager["http_filters"] = kept
