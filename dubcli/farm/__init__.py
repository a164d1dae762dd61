"""Jobs in the formats of render farms, whose tasks are `dubcli run JOB --stage STAGE --shard I/N`."""
