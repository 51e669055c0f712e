// What a program in the sandbox may not ask of the kernel. The namespaces already keep it from everything that is not
// its own; this keeps it from asking, as most ways out of a namespace were bugs in calls that no solution of a task
// needs.

export type Machine = "x64" | "arm64";

/** Numbers of refused calls: [x64, arm64]; null where a machine has none. From the kernel's asm/unistd.h. */
export const REFUSED: Record<string, [number | null, number | null]> = {
  // network
  socket: [41, 198],
  connect: [42, 203],
  accept: [43, 202],
  sendto: [44, 206],
  bind: [49, 200],
  listen: [50, 201],
  socketpair: [53, 199],
  accept4: [288, 242],
  // other processes
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  process_madvise: [440, 440],
  // mounts and namespaces
  pivot_root: [155, 41],
  chroot: [161, 51],
  mount: [165, 40],
  umount2: [166, 39],
  unshare: [272, 97],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  setns: [308, 268],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  // memory that no limit of a process counts
  shmget: [29, 194],
  shmat: [30, 196],
  shmctl: [31, 195],
  semget: [64, 190],
  msgget: [68, 186],
  mq_open: [240, 180],
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  remap_file_pages: [216, 234],
  vmsplice: [278, 75],
  mbind: [237, 235],
  set_mempolicy: [238, 237],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  set_mempolicy_home_node: [450, 450],
  // large parts of the kernel
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  perf_event_open: [298, 241],
  fanotify_init: [300, 262],
  seccomp: [317, 277],
  bpf: [321, 280],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  // the machine
  syslog: [103, 116],
  uselib: [134, null],
  personality: [135, 92],
  ustat: [136, null],
  sysfs: [139, null],
  vhangup: [153, 58],
  modify_ldt: [154, null],
  adjtimex: [159, 171],
  acct: [163, 89],
  settimeofday: [164, 170],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  iopl: [172, null],
  ioperm: [173, null],
  init_module: [175, 105],
  delete_module: [176, 106],
  quotactl: [179, 60],
  lookup_dcookie: [212, 18],
  clock_settime: [227, 112],
  kexec_load: [246, 104],
  clock_adjtime: [305, 266],
  finit_module: [313, 273],
  kexec_file_load: [320, 294],
  quotactl_fd: [443, 443],
};

/** Calls of which some arguments are refused, and one that is unknown: its flags lie where a filter cannot look. */
export const LOOKED_AT: Record<"clone" | "mmap" | "clone3", [number, number]> = {
  clone: [56, 220],
  mmap: [9, 222],
  clone3: [435, 435],
};
/** mseal, of Linux 6.10: what came later is unknown. */
const LAST = 462;

const ARCHITECTURE = { x64: 0xc000003e, arm64: 0xc00000b7 };
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
/** Every CLONE_NEW* but that of time, whose bit is a signal's in `clone`. */
const NEW_NAMESPACES = 0x7e020000;
const MAP_SHARED = 0x01;
const MAP_ANONYMOUS = 0x20;

// Words of classic BPF (linux/filter.h), over seccomp_data: number at 0, architecture at 4, arguments from 16, 8 bytes
// each.
type Word = [code: number, yes: number, no: number, k: number];
const load = (at: number): Word => [0x20, 0, 0, at];
const give = (what: number): Word => [0x06, 0, 0, what];
/** Goes on with the next word where it holds, else `otherwise` words further. */
const ifEqual = (k: number, otherwise = 1): Word => [0x15, 0, otherwise, k];
const ifAbove = (k: number, otherwise = 1): Word => [0x25, 0, otherwise, k];
const ifAnyBit = (k: number, otherwise = 1): Word => [0x45, 0, otherwise, k];
const unlessEqual = (k: number): Word => [0x15, 1, 0, k];
const argument = (index: number): Word => load(16 + 8 * index); // its low half

/** The filter as `struct sock_filter`s, 8 bytes each, for prctl(PR_SET_SECCOMP). */
export function seccompFilter(machine: Machine): Uint8Array {
  const at = machine === "x64" ? 0 : 1;
  const refused = Object.values(REFUSED)
    .map((numbers) => numbers[at])
    .filter((number) => number !== null);
  const words: Word[] = [
    load(4),
    unlessEqual(ARCHITECTURE[machine]),
    give(KILL_PROCESS),
    load(0),
    ifAbove(LAST), // those of x32 too
    give(ENOSYS),
    ifEqual(LOOKED_AT.clone3[at]), // then the C library falls back on clone
    give(ENOSYS),
    ...refused.flatMap((number) => [ifEqual(number), give(EPERM)]),
    ifEqual(LOOKED_AT.mmap[at], 5),
    argument(3),
    ifAnyBit(MAP_SHARED, 2),
    ifAnyBit(MAP_ANONYMOUS),
    give(EPERM), // memory that stays when the process that filled it has ended
    give(ALLOW),
    ifEqual(LOOKED_AT.clone[at], 3),
    argument(0),
    ifAnyBit(NEW_NAMESPACES),
    give(EPERM),
    give(ALLOW),
  ];
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, [code, yes, no, k]] of words.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, yes);
    view.setUint8(8 * i + 3, no);
    view.setUint32(8 * i + 4, k, true);
  }
  return bytes;
}
