// The stream library of FeatureHub's Go SDK 1.x, with its defaults and asked as that SDK asks.
//
// transport ADDRESS KEY; each line tells what happened.
package main

import (
	"fmt"
	"os"

	"github.com/donovanhide/eventsource"
)

func main() {
	stream, err := eventsource.Subscribe(os.Args[1]+"/features/"+os.Args[2], "")
	if err != nil {
		fmt.Println("refused", err)
		os.Exit(1)
	}
	for {
		select {
		case event := <-stream.Events:
			fmt.Println("event", event.Event(), event.Data())
		case err := <-stream.Errors:
			fmt.Println("failed", err)
		}
	}
}
