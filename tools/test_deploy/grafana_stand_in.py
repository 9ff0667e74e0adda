"""A package in the place of Grafana's, which no Debian has: its folders and its service, but nothing that runs in it."""
import pathlib
import subprocess

CONTROL = """Package: grafana
Version: 11.0.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stands in for Grafana
"""
UNIT = """[Unit]
Description=stands in for Grafana
[Service]
ExecStart=sleep infinity
[Install]
WantedBy=multi-user.target
"""
# As the real one's.
AFTER_REMOVAL = """#!/bin/sh
[ "$1" != purge ] || rm -rf /etc/grafana /var/lib/grafana
rm -f /etc/systemd/system/multi-user.target.wants/grafana-server.service
systemctl daemon-reload
"""
BEFORE_REMOVAL = "#!/bin/sh\nsystemctl stop grafana-server.service\n"


def make(folder: pathlib.Path) -> pathlib.Path:
    """The package's file."""
    tree = folder / "grafana"
    files = {"DEBIAN/control": CONTROL, "DEBIAN/postrm": AFTER_REMOVAL, "DEBIAN/prerm": BEFORE_REMOVAL, "DEBIAN/conffiles": "/etc/grafana/grafana.ini\n",
             "etc/grafana/grafana.ini": "", "lib/systemd/system/grafana-server.service": UNIT}
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name in ("DEBIAN/postrm", "DEBIAN/prerm") else 0o644)
    package = folder / "grafana_11.0.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, stdout=subprocess.DEVNULL)
    return package
