# Automatically generated. Do not edit.
redef Cluster::manager_is_logger = F;
redef Cluster::nodes = {
	["manager"] = [$node_type=Cluster::MANAGER, $ip=192.0.2.10],
	["logger-1"] = [$node_type=Cluster::LOGGER, $ip=192.0.2.10, $p=27764/tcp],
	["logger-2"] = [$node_type=Cluster::LOGGER, $ip=192.0.2.10, $p=27765/tcp],
	["logger-z"] = [$node_type=Cluster::LOGGER, $ip=192.0.2.10, $p=27790/tcp],
	["proxy"] = [$node_type=Cluster::PROXY, $ip=192.0.2.10, $manager="manager"],
	["worker-1"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["worker-2"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["tap"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["ring-1"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["ring-2"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["snf-1"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
	["snf-2"] = [$node_type=Cluster::WORKER, $ip=192.0.2.21, $manager="manager"],
};

event zeek_init()
	{
	if ( getenv("ZEEKCTL_DISABLE_LISTEN") == "" && (Cluster::local_node_type() == Cluster::MANAGER || ! Cluster::is_enabled()) )
		{
		Cluster::listen_websocket([$listen_addr=127.0.0.1, $listen_port=27759/tcp]);
		}
	}
