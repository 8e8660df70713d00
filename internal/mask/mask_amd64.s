//go:build !purego

#include "textflag.h"

// func longAVX2(dst, src *byte, n int, key uint32)
//
// The last 64 bytes are loaded before anything is stored, and are stored last.
// So the blocks before them may overlap them, even when dst is src.
TEXT ·longAVX2(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), DX
	MOVL key+24(FP), AX
	MOVL AX, BX
	VMOVD AX, X0
	VPBROADCASTD X0, Y0

	// For the last 64 bytes the key is rotated to byte n-64.
	MOVL DX, CX
	SHLL $3, CX
	RORL CX, AX
	VMOVD AX, X9
	VPBROADCASTD X9, Y9
	VPXOR -32(SI)(DX*1), Y9, Y10
	VPXOR -64(SI)(DX*1), Y9, Y9
	LEAQ -64(DI)(DX*1), R8

	CMPQ DX, $288
	JB   blocks

	// From 288 bytes on, 256 bytes at a time are stored at addresses that are
	// multiples of 32, where payloads seldom begin. The up to 31 bytes before
	// that are loaded first and stored last, for the reason given above. In
	// place this makes 64 KiB a third faster, and 1 KiB 30 % faster.
	MOVQ  DI, R9
	VPXOR (SI), Y0, Y11
	MOVQ  DI, CX
	NEGQ  CX
	ANDQ  $31, CX
	ADDQ  CX, SI
	ADDQ  CX, DI
	SUBQ  CX, DX
	SHLL  $3, CX
	RORL  CX, BX
	VMOVD BX, X0
	VPBROADCASTD X0, Y0

big:
	VPXOR   (SI), Y0, Y1
	VPXOR   32(SI), Y0, Y2
	VPXOR   64(SI), Y0, Y3
	VPXOR   96(SI), Y0, Y4
	VPXOR   128(SI), Y0, Y5
	VPXOR   160(SI), Y0, Y6
	VPXOR   192(SI), Y0, Y7
	VPXOR   224(SI), Y0, Y8
	VMOVDQU Y1, (DI)
	VMOVDQU Y2, 32(DI)
	VMOVDQU Y3, 64(DI)
	VMOVDQU Y4, 96(DI)
	VMOVDQU Y5, 128(DI)
	VMOVDQU Y6, 160(DI)
	VMOVDQU Y7, 192(DI)
	VMOVDQU Y8, 224(DI)
	ADDQ    $256, SI
	ADDQ    $256, DI
	SUBQ    $256, DX
	CMPQ    DX, $256
	JAE     big
	VMOVDQU Y11, (R9)

blocks:
	CMPQ DX, $64
	JBE  last

block:
	VPXOR   (SI), Y0, Y1
	VPXOR   32(SI), Y0, Y2
	VMOVDQU Y1, (DI)
	VMOVDQU Y2, 32(DI)
	ADDQ    $64, SI
	ADDQ    $64, DI
	SUBQ    $64, DX
	CMPQ    DX, $64
	JA      block

last:
	VMOVDQU Y9, (R8)
	VMOVDQU Y10, 32(R8)
	VZEROUPPER
	RET

// func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func xgetbv() (eax uint32)
TEXT ·xgetbv(SB), NOSPLIT, $0-4
	XORL CX, CX
	XGETBV
	MOVL AX, eax+0(FP)
	RET
