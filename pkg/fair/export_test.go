package fair

// Left counts the accounts, waiters and held slots of s: 0 when all slots have been released and no
// request waits.
func Left(s *Semaphore) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.tenants)+len(s.resources)+len(s.waiting)) + s.held
}
