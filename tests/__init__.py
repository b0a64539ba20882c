"""The tests of bat2influx, and the parts they stand on."""
