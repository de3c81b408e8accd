#!/bin/sh
# The agent of one cluster where rc.d scripts start services: /usr/local/etc/rc.d/zeek_cluster (mode 0555), then
#   sysrc zeek_cluster_enable=YES
# Replace CLUSTER, and BASE by `base_dir` of the layout.
#
# Stopping this service stops the nodes in order, workers first.

# PROVIDE: zeek_cluster
# REQUIRE: LOGIN NETWORKING FILESYSTEMS
# KEYWORD: shutdown

. /etc/rc.subr

name=zeek_cluster
rcvar=zeek_cluster_enable
load_rc_config "${name}"
: "${zeek_cluster_enable:=NO}"
: "${zeek_cluster_dir:=BASE/CLUSTER}"
: "${zeek_cluster_user:=root}"

pidfile="/var/run/${name}.pid"
procname="/usr/sbin/daemon"
command="/usr/sbin/daemon"
# -r starts it again when it dies, -P names daemon's own process, which hands SIGTERM on.
command_args="-r -R 1 -P ${pidfile} -o ${zeek_cluster_dir}/run/agent.log \
	${zeek_cluster_dir}/bin/agent agent run --foreground --dir ${zeek_cluster_dir}"

run_rc_command "$1"
