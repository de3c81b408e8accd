# Automatically generated. Do not edit.

redef LogAscii::enable_leftover_log_rotation = T;
redef Log::default_rotation_interval = 1800 secs;
redef LogAscii::use_json = T;
