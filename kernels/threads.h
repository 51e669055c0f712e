// One fixed team: the calling thread and size - 1 workers run the same function; barriers part its phases.
#pragma once

struct Team;

Team* teamMake(int size);
void teamFree(Team* team);
int teamSize(const Team* team);
/** Runs `body(data, thread)` on all threads, the caller being thread 0; returns when all are done. */
void teamRun(Team* team, void (*body)(const void*, int), const void* data);
template <class Body>
static inline void teamRun(Team* team, const Body& body) {
  teamRun(team, [](const void* data, int thread) { (*(const Body*)data)(thread); }, &body);
}
/** All threads of a running body meet here. The task counter starts at 0 again. */
void teamMeet(Team* team);
/** The next task number of this phase. */
int teamNext(Team* team);
