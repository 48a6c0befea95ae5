// A strategy: prints when the short moving average of a symbol crosses the long one.
//
//	go build && ./strategy BUS                  live, from the first bar of the trading day
//	./strategy BUS 2024-07-01 2024-07-05        archived days
package main

/*
#cgo pkg-config: barbus
#include <stdlib.h>
#include <barbus.h>
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

const (
	shortCount = 5
	longCount  = 20
)

// The last closes of a symbol, the newest last.
type averages struct {
	closes       []float64
	known, above bool
}

func (of *averages) mean(count int) float64 {
	sum := 0.0
	for i := 1; i <= count; i++ {
		sum += of.closes[len(of.closes)-i]
	}
	return sum / float64(count)
}

// Adds a close, and reports whether the averages have crossed.
func (of *averages) add(closePrice float64) bool {
	of.closes = append(of.closes, closePrice)
	if len(of.closes) > longCount {
		of.closes = of.closes[1:]
	}
	if len(of.closes) < longCount {
		return false
	}
	above := of.mean(shortCount) > of.mean(longCount)
	crossed := of.known && of.above != above
	of.known, of.above = true, above
	return crossed
}

func check(code C.int32_t) {
	if code != C.BARBUS_OK {
		fmt.Fprintf(os.Stderr, "strategy: %s\n", C.GoString(C.barbus_error()))
		os.Exit(1)
	}
}

func open(arguments []string) *C.barbus_reader {
	var reader *C.barbus_reader
	path := C.CString(arguments[0])
	defer C.free(unsafe.Pointer(path))
	if len(arguments) == 1 {
		options := C.barbus_reader_options{start: C.BARBUS_START_TODAY}
		options.size = C.size_t(unsafe.Sizeof(options))
		check(C.barbus_reader_open(path, &options, &reader))
		return reader
	}
	options := C.barbus_replay_options{}
	options.size = C.size_t(unsafe.Sizeof(options))
	for i, day := range []*C.int32_t{&options.from_day, &options.to_day} {
		text := C.CString(arguments[1+i])
		check(C.barbus_day_parse(text, day))
		C.free(unsafe.Pointer(text))
	}
	check(C.barbus_replay_open(path, &options, &reader))
	return reader
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: strategy BUS [FROM TO]")
		os.Exit(2)
	}
	// A reader belongs to a thread, and this goroutine stays on one. The text of an error, too, is
	// that of a thread.
	runtime.LockOSThread()
	reader := open(os.Args[1:])
	symbols := map[C.uint32_t]*averages{}
	var event C.barbus_event
	event.size = C.size_t(unsafe.Sizeof(event))
	for ended := C.int32_t(0); ended == 0; {
		code := C.barbus_next(reader, 1000, &event)
		// The runtime of Go sends signals to its threads.
		if code == C.BARBUS_ERROR_INTERRUPTED {
			continue
		}
		check(code)
		switch event.kind {
		case C.BARBUS_EVENT_BARS:
			for _, bar := range unsafe.Slice(event.bars, event.count) {
				of := symbols[bar.symbol]
				if of == nil {
					of = &averages{}
					symbols[bar.symbol] = of
				}
				if of.add(float64(bar.close)) {
					var name C.barbus_text
					check(C.barbus_symbol_name(reader, bar.symbol, &name))
					side := "below"
					if of.above {
						side = "above"
					}
					fmt.Printf("%d %s %s\n", int64(bar.frame_ms), C.GoStringN(name.data, C.int(name.length)), side)
				}
			}
		case C.BARBUS_EVENT_DAY_CLOSED:
			text := (*C.char)(C.malloc(11))
			check(C.barbus_day_format(event.day, text))
			fmt.Printf("%s closed\n", C.GoString(text))
			C.free(unsafe.Pointer(text))
			symbols = map[C.uint32_t]*averages{}
		case C.BARBUS_EVENT_LAPPED:
			// Averages over a gap would be wrong.
			fmt.Fprintf(os.Stderr, "too slow: %d bars missed\n", uint64(event.missed))
			symbols = map[C.uint32_t]*averages{}
		}
		check(C.barbus_ended(reader, &ended))
	}
	check(C.barbus_reader_close(reader))
}
