"""A package in the place of Grafana's, which no Debian has: its folders, account and service, but nothing that runs in it.

As Grafana's own, it leaves account, database and provisioned files behind when it is removed; as in its releases before 11, its service
goes on when nobody stops it.
"""
import pathlib

import debian_package

CONTROL = "Depends: adduser\nDescription: stands in for Grafana\n"
UNIT = """[Unit]
Description=stands in for Grafana
[Service]
User=grafana
Group=grafana
ExecStartPre=touch /var/lib/grafana/grafana.db
ExecStart=sleep infinity
Restart=always
[Install]
WantedBy=multi-user.target
"""
AFTER_INSTALLATION = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
getent group grafana > /dev/null || addgroup --system grafana --quiet
id grafana > /dev/null 2>&1 || adduser --system --home /usr/share/grafana --no-create-home --ingroup grafana --disabled-password --shell /bin/false grafana
mkdir -p /var/log/grafana /var/lib/grafana /etc/grafana/provisioning/dashboards /etc/grafana/provisioning/datasources
chown -R grafana:grafana /var/log/grafana /var/lib/grafana
cp /usr/share/grafana/sample.ini /etc/grafana/grafana.ini
cp /usr/share/grafana/sample.ini /etc/grafana/provisioning/dashboards/sample.yaml
chown -Rh root:grafana /etc/grafana/*
find /etc/grafana -type f -exec chmod 640 {} ';'
"""


def make(folder: pathlib.Path) -> pathlib.Path:
    """The package's file."""
    files = {"DEBIAN/postinst": AFTER_INSTALLATION, "DEBIAN/conffiles": "/etc/default/grafana-server\n",
             "etc/default/grafana-server": "", "usr/share/grafana/sample.ini": "", "lib/systemd/system/grafana-server.service": UNIT}
    return debian_package.build(folder, "grafana", "11.0.0", CONTROL, files, executable=("DEBIAN/postinst",))
