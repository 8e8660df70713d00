package websocket

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestParkMutexExcludes(t *testing.T) {
	var turn parkMutex
	var wg sync.WaitGroup
	each := StressRounds(1000)
	count := 0 // guarded by turn alone: -race sees it if that fails
	for range 8 {
		wg.Go(func() {
			for range each {
				turn.Lock()
				count++
				turn.Unlock()
			}
		})
	}
	wg.Wait()
	if count != 8*each {
		t.Errorf("8 goroutines counted to %d, want %d: two held the lock at once", count, 8*each)
	}
}

// The clock of a bubble stands still while a goroutine waits for a sync.Mutex.
func TestParkMutexLetsTheClockGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn parkMutex
		turn.Lock()
		got := make(chan struct{})
		go func() {
			turn.Lock()
			close(got)
		}()
		synctest.Wait()
		time.Sleep(time.Hour)
		select {
		case <-got:
			t.Fatal("the lock was taken twice")
		default:
		}
		turn.Unlock()
		<-got
	})
}

// A goroutine that has found the mutex locked may find it unlocked when it is
// about to wait. Nobody would wake it then.
func TestParkMutexUnlockedBeforeTheWait(t *testing.T) {
	for range StressRounds(200) { // in most of them the goroutine comes that far
		synctest.Test(t, func(t *testing.T) {
			var turn parkMutex
			turn.Lock()
			turn.mu.Lock() // stops the goroutine between the two
			began, got := make(chan struct{}), make(chan struct{})
			go func() {
				close(began)
				turn.Lock()
				close(got)
			}()
			<-began
			for range 10 {
				runtime.Gosched()
			}
			turn.state.Store(parkFree) // all that Unlock does while nobody waits
			turn.mu.Unlock()
			synctest.Wait()
			select {
			case <-got:
			default:
				t.Error("a goroutine waits for a lock that none holds")
				turn.Unlock()
				<-got
			}
			if turn.state.Load() == parkFree {
				t.Error("the lock is free, and a goroutine holds it")
			}
		})
	}
}
