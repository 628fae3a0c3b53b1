package supervisor

// rssUnit is the unit of Rusage.Maxrss in bytes (getrusage(2)).
const rssUnit = 1
