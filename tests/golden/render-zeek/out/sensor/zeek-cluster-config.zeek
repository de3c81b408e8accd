# Automatically generated. Do not edit.

@load ./local-networks
@load misc/loaded-scripts
@load frameworks/control/controllee

@ifdef ( Control::controllee_listen )
redef Control::controllee_listen = F;
@endif
redef Reporter::warnings_to_stderr = F;
redef Reporter::errors_to_stderr = F;
redef global_hash_seed = "7f7ef2b1";

@if ( Cluster::local_node_type() == Cluster::LOGGER )
@load ./zeek-cluster-logger
@endif

redef Cluster::Backend::ZeroMQ::listen_xpub_endpoint = "tcp://192.0.2.10:27760";
redef Cluster::Backend::ZeroMQ::listen_xsub_endpoint = "tcp://192.0.2.10:27761";
redef Cluster::Backend::ZeroMQ::connect_xpub_endpoint = "tcp://192.0.2.10:27761";
redef Cluster::Backend::ZeroMQ::connect_xsub_endpoint = "tcp://192.0.2.10:27760";
redef Cluster::Backend::ZeroMQ::ipv6 = F;
redef Cluster::Backend::ZeroMQ::run_proxy_thread = Cluster::local_node_type() == Cluster::MANAGER;

@ifdef ( Cluster::Backend::ZeroMQ::linger_ms )
redef Cluster::Backend::ZeroMQ::linger_ms = 100;
@endif

@ifdef ( Cluster::retry_interval )
redef Cluster::retry_interval = 2sec;
@endif

@ifdef ( LogAscii::json_timestamps )
redef LogAscii::json_timestamps = JSON::TS_ISO8601;
@endif
