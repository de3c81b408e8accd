# Automatically generated. Do not edit.

redef Site::local_nets = {
	10.0.0.0/8,
	[fd00::]/8,
};
