# Automatically generated. Do not edit.
redef Cluster::manager_is_logger = T;
redef Cluster::nodes = {
	["boss"] = [$node_type=Cluster::MANAGER, $ip=192.0.2.10, $p=27763/tcp, $metrics_port=9991/tcp],
	["proxy"] = [$node_type=Cluster::PROXY, $ip=192.0.2.10, $manager="boss"],
	["worker-1"] = [$node_type=Cluster::WORKER, $ip=[2001:db8::22], $manager="boss", $metrics_port=9991/tcp],
	["worker-2"] = [$node_type=Cluster::WORKER, $ip=[2001:db8::22], $manager="boss", $metrics_port=9992/tcp],
};
