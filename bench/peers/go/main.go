// The rows of bench-peers in Go: peer ROW N. Prints nanoseconds of one of N operations, a line for
// each batch after the first. The servers are in serve.go.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	batches    = 6
	spawned    = 1000
	sleep      = 2 * time.Second
	notOffered = 77
)

func measure(operations int, batch func()) {
	for i := 0; i < batches; i++ {
		begin := time.Now()
		batch()
		if i > 0 {
			fmt.Printf("%.3f\n", float64(time.Since(begin).Nanoseconds())/float64(operations))
		}
	}
}

// ---- what costs nanoseconds

func yieldOften(n int, done *sync.WaitGroup) {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
	done.Done()
}

func yieldInTurns(n int) {
	var done sync.WaitGroup
	done.Add(2)
	go yieldOften(n/2, &done)
	go yieldOften(n/2, &done)
	done.Wait()
}

func nothing(done *sync.WaitGroup) {
	done.Done()
}

func spawnNothings(n int) {
	for i := 0; i < n; i += spawned {
		var done sync.WaitGroup
		done.Add(spawned)
		for k := 0; k < spawned; k++ {
			go nothing(&done)
		}
		done.Wait()
	}
}

func answer(questions <-chan int, answers chan<- int) {
	for question := range questions {
		answers <- question
	}
}

func ask(n int, questions chan<- int, answers <-chan int) {
	for i := 0; i < n; i++ {
		questions <- i
		if <-answers != i {
			panic("not the answer")
		}
	}
}

func channel(n int) {
	questions, answers := make(chan int), make(chan int)
	go answer(questions, answers)
	ask(n, questions, answers)
	close(questions)
}

// Each end on a thread of its own.
func channel2(n int) {
	questions, answers := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		answer(questions, answers)
	}()
	runtime.LockOSThread()
	measure(n, func() { ask(n, questions, answers) })
}

func lockOften(n int) {
	var mutex sync.Mutex
	count := 0
	for i := 0; i < n; i++ {
		mutex.Lock()
		count++
		mutex.Unlock()
	}
	if count != n {
		panic("lost")
	}
}

// ---- what sleeps

func nap(span time.Duration, done *sync.WaitGroup) {
	time.Sleep(span)
	done.Done()
}

func sleepAll(n int, span time.Duration) *sync.WaitGroup {
	done := new(sync.WaitGroup)
	done.Add(n)
	for i := 0; i < n; i++ {
		go nap(span, done)
	}
	return done
}

func sleepMemory(n int) {
	sleepAll(n, time.Hour)
	for runtime.NumGoroutine() < n {
		runtime.Gosched()
	}
	time.Sleep(100 * time.Millisecond) // all have begun
	runtime.GC()
	fmt.Println("asleep")
	time.Sleep(time.Hour)
}

func sleepTime(n int) {
	begin := time.Now()
	sleepAll(n, sleep).Wait()
	fmt.Println((time.Since(begin) - sleep).Nanoseconds())
}

func sleepTwice(done *sync.WaitGroup) {
	var both sync.WaitGroup
	both.Add(1)
	go nap(8*time.Millisecond, &both)
	time.Sleep(10 * time.Millisecond)
	both.Wait()
	done.Done()
}

func sleepPairs(n int) {
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		go sleepTwice(&done)
	}
	done.Wait()
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(1)
	switch os.Args[1] {
	case "yield":
		measure(n, func() { yieldInTurns(n) })
	case "spawn":
		measure(n, func() { spawnNothings(n) })
	case "spawn_2":
		runtime.GOMAXPROCS(2)
		measure(n, func() { spawnNothings(n) })
	case "channel":
		measure(n, func() { channel(n) })
	case "channel_2":
		runtime.GOMAXPROCS(2)
		channel2(n)
	case "mutex":
		measure(n, func() { lockOften(n) })
	case "sleep_memory":
		sleepMemory(n)
	case "sleep_time":
		sleepTime(n)
	case "sleep_pairs":
		measure(1, func() { sleepPairs(n) })
	case "echo":
		echo(n)
	case "http":
		plaintext(n)
	default:
		os.Exit(notOffered)
	}
}
