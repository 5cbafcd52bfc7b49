module burgee.example/transport

go 1.21

require github.com/donovanhide/eventsource v0.0.0-20171031113327-3ed64d21fb0b
